"""What surrounds the program: chance, time, threads, machines, disks."""
