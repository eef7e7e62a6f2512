"""Work on Spark: a session, a look at its workers, and jobs of a few tasks each."""
