import type { EventDeclaration } from '../../model/define/index.ts';
import { chosenEvents, events } from '../../model/events/index.ts';

export function eventsPage(): { name: string; title: string; text: string } {
  const intro =
    'Handlers are registered with `kumo.on(NAME, function)` while the policy is loaded. An event takes one handler, ' +
    'or several where the text says so: then they are called in the order of registration, and the first that ' +
    'returns anything, even nil, ends the chain. A raised error ends it too.';
  const chosen =
    '# Events that you name\n\nTheir names are those that options of the policy give. Each takes one handler.';
  const text = [intro, ...events.map(eventText), chosen, ...chosenEvents.map(eventText)].join('\n\n');
  return { name: 'events', title: 'Events', text };
}

function eventText(event: EventDeclaration): string {
  const params = event.args.map(({ name }) => name).join(', ');
  const types = event.args.map(({ name, luaType }) => `\`${name}\`: ${luaType}`).join('; ');
  const lines = [
    `## ${event.name}`,
    ...(event.status === 'planned'
      ? ['**Planned**: handlers may be registered; the event does not fire yet.']
      : []),
    `\`kumo.on('${event.name}', function(${params}) ... end)\``,
    event.doc,
    [
      `- Arguments: ${types === '' ? 'none' : types}`,
      `- Returns: ${event.returns === '' ? 'nothing; the result is ignored' : event.returns}`,
      `- Handlers: ${event.multiple ? 'several' : 'one'}`,
      `- Fires: ${event.when}`,
      `- How often: ${event.often}`,
      `- What is kept: ${event.persisted}`,
      `- On failure: ${event.failure}`,
      `- Since: ${event.since}`,
    ].join('\n'),
    ...(event.example === undefined ? [] : [`\`\`\`lua\n${event.example.trim()}\n\`\`\``]),
  ];
  return lines.join('\n\n');
}
