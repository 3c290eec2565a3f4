"""What a first stage costs and gains: quality on judged collections, and time before the starter and a large model."""
