"""The command line: thin, plain functions over the library."""
