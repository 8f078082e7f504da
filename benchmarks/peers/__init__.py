"""Other tools that drive asyncio for tests, pinned, so that speed and findings can be told beside theirs."""
