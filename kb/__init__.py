"""The library of knowledge bases: sources, text, chunks, embeddings, retrieval."""
