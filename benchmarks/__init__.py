"""Side by side with nginx, HAProxy and Envoy; see README.md beside this file."""
