"""One watch by several processes: each looks at a share of the cameras, and hands what happens to the first one."""
