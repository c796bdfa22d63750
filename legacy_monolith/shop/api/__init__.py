"""What all API routes share. The contract is API.md."""
