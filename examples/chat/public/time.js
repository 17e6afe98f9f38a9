// Times: the server writes them in UTC, and the page says them as its reader does.

export function showTime (time) {
  const at = new Date(time.dateTime)
  const isToday = at.toDateString() === new Date().toDateString()
  time.textContent = at.toLocaleString([], { hour: 'numeric', minute: '2-digit', ...!isToday && { month: 'short', day: 'numeric' } })
  time.title = at.toLocaleString()
}

document.querySelectorAll('time').forEach(showTime)
