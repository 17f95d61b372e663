"""The contract of strategies as checks, for the tests of the library and for anybody's own file. Pure: no Django."""
