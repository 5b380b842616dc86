import { connect } from 'node:net'

/** Sends commands on one connection and returns the first line of each answer (or of a bulk answer its text). Throws on `-ERR`. */
export async function askRedis(
  address: { host: string; port: number; password: string },
  command: string[],
  signal: AbortSignal,
): Promise<string> {
  const socket = connect({ host: address.host, port: address.port, signal })
  try {
    const login = address.password === '' ? [] : [['AUTH', address.password]]
    const commands = [...login, command]
    socket.write(commands.map(encode).join(''))
    let buffered = ''
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      buffered += chunk.toString('utf8')
      const answers = decode(buffered)
      const refused = answers.find((answer) => answer.startsWith('-'))
      if (refused !== undefined) throw new Error(refused.slice(1))
      if (answers.length >= commands.length) return answers.at(-1)?.slice(1) ?? ''
    }
    throw new Error('the server closed the connection')
  } finally {
    socket.destroy()
  }
}

function encode(words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

/** The answers that are there in full: simple ones as `+OK` or `-ERR …`, bulk ones as `$TEXT`. */
function decode(text: string): string[] {
  const answers: string[] = []
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) break
    const line = text.slice(at, end)
    if (!line.startsWith('$')) {
      answers.push(line)
      at = end + 2
      continue
    }
    const length = Number(line.slice(1))
    if (text.length < end + 2 + length + 2) break
    answers.push(`$${text.slice(end + 2, end + 2 + length)}`)
    at = end + 2 + length + 2
  }
  return answers
}
