/** Who uses something that was opened, and its end when nobody does any more. */
export interface Retiring {
  /** Says that somebody uses it; the result, that they no longer do. */
  use(): () => void
  /** Nobody new will use it: it is closed when the last one is over. Rejects with what closing rejects with; called again it is the same end. */
  retire(): Promise<void>
}

/** Of something that opens now; when that fails, whoever needs it hears of it, and there is nothing to close. */
export function retiring(opening: Promise<{ close(): Promise<void> }>): Retiring {
  let users = 0
  let allGone: (() => void) | undefined
  let retired: Promise<void> | undefined
  const retire = async (): Promise<void> => {
    if (users > 0) await new Promise<void>((resolve) => (allGone = resolve))
    const opened = await opening.catch(() => undefined)
    await opened?.close()
  }
  return {
    use() {
      users += 1
      return () => {
        users -= 1
        if (users === 0) allGone?.()
      }
    },
    retire: () => (retired ??= retire()),
  }
}
