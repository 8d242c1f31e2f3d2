-- over: cpu_time
::again:: goto again
