"""The rows of the dashboard, each a module with its title and its panels, in the order in which an operator looks."""
