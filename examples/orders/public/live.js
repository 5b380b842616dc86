// Orders appear and change by themselves; without this script the page works by forms alone.
const list = document.querySelector('#orders')
const live = document.querySelector('#live')
const fault = document.querySelector('#fault')

const events = new EventSource('/events')
events.addEventListener('hello', (event) => {
  live.textContent = `live from ${JSON.parse(event.data).replica}`
  live.classList.add('on')
})
events.addEventListener('error', () => {
  live.textContent = 'connecting again…'
  live.classList.remove('on')
})
events.addEventListener('order', (event) => {
  const { id, html } = JSON.parse(event.data)
  const row = document.createElement('template')
  row.innerHTML = html // made and escaped by the server, the same as in the page
  const known = document.getElementById(`order-${id}`)
  if (known) known.replaceWith(row.content)
  else list.prepend(row.content)
  document.getElementById(`order-${id}`).classList.add('new')
})

document.addEventListener('submit', async (event) => {
  const form = event.target
  if (!form.matches('[data-live]')) return
  event.preventDefault()
  const response = await fetch(form.action, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  }).catch((error) => ({ ok: false, json: async () => ({ error: String(error) }) }))
  fault.textContent = response.ok ? '' : (await response.json()).error
  if (response.ok && form.classList.contains('place')) form.elements.item.value = ''
})
