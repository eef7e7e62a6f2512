"""Versions that explain themselves when they are registered.

Four ways lead to one queue: ``autolog`` (registrations of this process), ``watch`` (polls a
store), ``receiver`` (webhooks), and a person on the command line. ``plans`` says which models are
explained, and how; ``ledger`` is the durable list of jobs, ``queue`` tells workers of them with
huey, ``worker`` works at them, ``supervision`` gives each a process of its own, and ``job_process``
is what happens in there.

Nothing here imports mlflow directly; that is left to ``mlflow_lime.tracking``.
"""
