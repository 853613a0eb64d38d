"""The `gnn` command."""
