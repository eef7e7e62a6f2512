"""Versions that explain themselves when they are registered.

Four ways lead to one queue: ``autolog`` (registrations of this process), ``watch`` (polls a
store), ``receiver`` (webhooks), and a person on the command line. ``ledger`` is the durable list
of jobs, ``queue`` hands them to workers with huey, ``worker`` runs them, ``jobs`` is what happens
in the process of its own that each job gets.

Nothing here imports mlflow directly; that is left to ``mlflow_lime.tracking``.
"""
