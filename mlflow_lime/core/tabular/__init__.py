"""Tables: the background that absent values come from, and three ways to take a row apart."""
