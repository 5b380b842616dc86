/** Values pushed from many places, read from one. */
export interface Queue<T> extends AsyncIterable<T> {
  push(value: T): void
  /** The reader ends after what was pushed before. */
  end(): void
  /** The reader throws after what was pushed before. */
  fail(error: unknown): void
}

export function createQueue<T>(): Queue<T> {
  const values: T[] = []
  let ending: { error?: unknown } | undefined
  let wake = () => {}
  const finish = (end: { error?: unknown }) => {
    ending ??= end
    wake()
  }
  return {
    push(value) {
      values.push(value)
      wake()
    },
    end: () => finish({}),
    fail: (error) => finish({ error }),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift() as T
        if (ending !== undefined) {
          if ('error' in ending) throw ending.error
          return
        }
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
