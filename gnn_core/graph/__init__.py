"""From coded tables to the heterogeneous graph: windows, weights, co-purchase, HeteroData."""
