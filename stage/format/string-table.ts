/** Collects the texts of an index, each once. */
export class StringTable {
  readonly #places = new Map<string, { offset: number; bytes: number }>();
  readonly #chunks: Buffer[] = [];
  #size = 0;

  add(text: string): { offset: number; bytes: number } {
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    const chunk = Buffer.from(text);
    const place = { offset: this.#size, bytes: chunk.length };
    this.#places.set(text, place);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    return place;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
