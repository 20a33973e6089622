"""A small course of its own, graded through grader-service's own ``start()``.

``course`` is the assignment and its four submissions, ``repository`` and ``site`` are a
grader-service site in one folder, ``generation`` grades several submissions at once in either
generation of the service, ``row`` and ``report`` show what happened, ``app`` is the command.
"""
