"""kubegrader beside what else one could use, in one run: `python -m bench`.

`plan` says what is measured how often. Each `measure_*` does one measure: it lets the `contenders`,
each in a process of its own (`worker`, seen from here as `client`), run pods that nobody schedules
(`pods`) in namespaces of the benchmark's own (`api`); `patcher`, another process, ends them. `bare`
is the floor's HTTP client. `results` become tables (`report`), `plots`, JSON, and a verdict on each
of the `goals`.
"""
