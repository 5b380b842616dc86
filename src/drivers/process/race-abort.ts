/** What the promise gives, or `aborted` as soon as the signal is; leaves no listener behind. */
export async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | 'aborted'> {
  let abort = () => {}
  const aborted = new Promise<'aborted'>((resolve) => {
    abort = () => resolve('aborted')
  })
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
