"""Real servers for the workloads that are clients: started by a run, and gone when it ends."""
