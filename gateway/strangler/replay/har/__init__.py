"""HTTP Archives (HAR 1.2): reading requests, and writing captured pairs."""
