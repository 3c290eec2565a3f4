"""What remembered scores save and cost: throughput by share of hits, latency, bytes an entry."""
