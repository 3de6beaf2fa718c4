"""Commands for maintainers and instructors; `make help` lists them."""
