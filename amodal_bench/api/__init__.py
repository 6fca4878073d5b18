"""The functions behind `import amodal_bench`: run, score and open runs from Python; they print nothing."""
