"""From a grid file to a table of means."""
