"""Ports of classic concurrency bugs to plain asyncio, written from their published descriptions.

Sources: SCTBench (P. Thomson, A. Donaldson, A. Betts, «Concurrency Testing Using Controlled Schedulers», ACM TOPC
2016), the GoKer kernels of GoBench (T. Yuan and others, CGO 2021), and textbooks. Every access that a thread could be
interrupted at stands behind an await; the bug shows as a failed assertion or a deadlock. Names are those of the
originals, numbers are not comparable with theirs. Several delay a task so that asyncio's own order passes.
"""
