/** The two streams of one running agent.sh: a child process's, or those of an exec through an API server. */
export interface Transport {
  /** Resolves when more may be written; rejects once the stream is lost. */
  write(bytes: Buffer): Promise<void>
  /** Called with what the agent says, in its order. */
  onData(listener: (bytes: Buffer) => void): void
  /** Settles when the stream has ended, with why. */
  readonly closed: Promise<string>
  close(): void
}
