"""Around the application: connections, heads, the size of bodies, keys, request ids, one shape of error."""
