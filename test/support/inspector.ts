import { WebSocket } from 'undici'

/** Asks a Node inspector for the value of an expression, as a debugger's console would. */
export function evaluate(url: string, expression: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)))
    socket.addEventListener('open', () =>
      socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })),
    )
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as { id?: number; result?: { result: { value: unknown } } }
      if (message.id !== 1) return
      socket.close()
      resolve(message.result?.result.value)
    })
  })
}
