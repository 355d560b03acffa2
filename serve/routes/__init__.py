"""Routes: each reads the request, calls one function, shapes the reply."""
