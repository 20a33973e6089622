"""Parts of the benchmark beside all peers; `bench` does not call them yet.

`worker` is the process of one of the `contenders`, `patcher` the one that ends pods, and `server`
the one of the embedded cluster; `bare` is the floor's HTTP client. What is missing: the stages that
drive them, the measures, the report and the plots.
"""
