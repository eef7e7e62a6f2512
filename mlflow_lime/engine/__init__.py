"""Where explanations run: threads and processes of this machine, or Spark."""
