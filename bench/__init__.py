"""How soon each client knows that a pod has ended, and what it asks of the API server for that.

`__main__` plays rounds of `pods` in a `namespace` of its own. `patcher`, another process, ends them
at random moments (`schedule`). Each `contender` waits for the same pods: `kubegrader_client`,
`watch_client` and `polling_client`, the latter two over the `official` client with `threads`.
`report` prints their `results` by `percentiles`, beside the `goals`.
"""
