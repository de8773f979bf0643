"""One command per committed table."""
