"""What `/docs` and `/openapi.json` say: groups and words of the routes, examples and answers, the page itself."""
