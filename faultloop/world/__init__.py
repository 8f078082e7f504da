"""What surrounds the program: chance, time, threads, machines, disks. Call these inside a scenario."""

from faultloop.world.disk import Disk, File, disk
from faultloop.world.nodes import Node, node

__all__ = ["Disk", "File", "Node", "disk", "node"]
