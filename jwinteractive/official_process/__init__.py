"""Official steps run in a process of their own, for whatever layer needs one."""
