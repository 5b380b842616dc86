/** Over how many answers the latencies are taken. */
const KEPT = 1_000

/** The milliseconds of the last thousand answers. */
export interface Latencies {
  add(ms: number): void
  /** By nearest rank; undefined before the first answer. */
  read(): { p50: number | undefined; p99: number | undefined }
  clear(): void
}

export function createLatencies(): Latencies {
  const kept = new Float64Array(KEPT)
  let count = 0
  return {
    add(ms) {
      kept[count++ % KEPT] = ms
    },
    read() {
      const sorted = kept.slice(0, Math.min(count, KEPT)).sort()
      const at = (part: number): number | undefined => sorted[Math.ceil(part * sorted.length) - 1]
      return { p50: at(0.5), p99: at(0.99) }
    },
    clear() {
      count = 0
    },
  }
}
