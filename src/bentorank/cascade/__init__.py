"""The first stage of a cascade: what orders documents cheaply, so that the model reads only the best of them."""
