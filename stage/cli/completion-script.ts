/** Completions for shells, made from the tree of commands: nothing of walla runs when a word is completed. */
import type { Command } from 'commander';
import { describeCommands, type DescribedCommand, optionNames } from './command-tree.ts';

/** @param program with all its commands */
export function completionScript(program: Command, shell: 'bash' | 'zsh' | 'fish'): string {
  const commands = describeCommands(program);
  return { bash, zsh, fish }[shell](commands);
}

function bash(commands: readonly DescribedCommand[]): string {
  const values = commands.flatMap(({ name, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map((option) => {
        const patterns = optionNames(option).map((word) => `'${name} ${word}'`);
        return `    ${patterns.join(' | ')}) words='${option.choices.join(' ')}' ;;`;
      }),
  );
  const options = commands.map(
    ({ name, options }) => `      ${name}) words='${options.flatMap(optionNames).join(' ')}' ;;`,
  );
  const operands = commands
    .filter(({ arguments: [first] }) => first !== undefined && first.choices.length > 0)
    .map(
      ({ name, arguments: [first] }) => `    ${name}) words='${first?.choices.join(' ') ?? ''}' ;;`,
    );
  return `# Completions of walla for bash: eval "$(walla completion bash)"
_walla() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= words= i
  # Bash takes --name=value for three words.
  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --) return ;;
      -*) ;;
      *) command=\${command:-\${COMP_WORDS[i]}} ;;
    esac
  done
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} help --help --version' -- "$cur"))
    return
  fi
  case "$command $prev" in
${values.join('\n')}
  esac
  if [[ -z $words && $cur == -* ]]; then
    case $command in
${options.join('\n')}
    esac
  elif [[ -z $words ]]; then
    case $command in
${operands.map((line) => `  ${line}`).join('\n')}
    esac
  fi
  # Without words of walla's own bash completes file names.
  [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _walla walla
`;
}

function zsh(commands: readonly DescribedCommand[]): string {
  const names = commands.map(({ name, description }) => `    ${quote(`${name}:${description}`)}`);
  const cases = commands.map(({ name, options, arguments: operands }) => {
    const specs = options.map((option) => {
      const names = optionNames(option);
      const flags =
        names.length > 1 ? `'(${names.join(' ')})'{${names.join(',')}}` : (names[0] ?? '');
      const value = valueOf(option.value, option.choices);
      return `        ${flags}${quote(`[${zshText(option.description)}]${value}`)}`;
    });
    const [first] = operands;
    const operand = first && first.choices.length > 0 ? `(${first.choices.join(' ')})` : '_files';
    return `      ${name})\n      _arguments \\\n${specs.join(' \\\n')} \\\n        ${quote(`*:${first?.name ?? 'file'}:${operand}`)}\n      ;;`;
  });
  return `#compdef walla
# Completions of walla for zsh: walla completion zsh > DIRECTORY_IN_FPATH/_walla
_walla() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  local context state state_descr line
  typeset -A opt_args
  _arguments -C '1:command:->command' '*::argument:->arguments'
  case $state in
    command) _describe command commands ;;
    arguments)
      case $words[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
# Sourced or autoloaded.
if [[ $funcstack[1] == _walla ]]; then _walla "$@"; else compdef _walla walla; fi
`;
}

function valueOf(value: string | undefined, choices: readonly string[]): string {
  if (value === undefined) return '';
  const name = value.replace(/[<>[\]]/g, '');
  return `:${name}:${choices.length > 0 ? `(${choices.join(' ')})` : '_files'}`;
}

/** Of a description, what zsh takes for the end of it or for its parts. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function fish(commands: readonly DescribedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options, arguments: [first] }) => [
    `complete -c walla -f -n __fish_use_subcommand -a ${name} -d ${fishQuote(description)}`,
    ...options.map((option) => {
      const { short, long, value, choices } = option;
      return [
        `complete -c walla -n '__fish_seen_subcommand_from ${name}'`,
        short === undefined ? '' : ` -s ${short.slice(1)}`,
        long === undefined ? '' : ` -l ${long.slice(2)}`,
        value === undefined
          ? ''
          : choices.length > 0
            ? ` -x -a ${fishQuote(choices.join(' '))}`
            : ' -r',
        ` -d ${fishQuote(option.description)}`,
      ].join('');
    }),
    ...(first && first.choices.length > 0
      ? [
          `complete -c walla -f -n '__fish_seen_subcommand_from ${name}' -a ${fishQuote(first.choices.join(' '))}`,
        ]
      : []),
  ]);
  return `# Completions of walla for fish: walla completion fish > ~/.config/fish/completions/walla.fish\n${lines.join('\n')}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
