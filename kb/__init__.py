"""Knowledge: sources, chunks, embeddings, retrieval."""
