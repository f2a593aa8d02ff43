import { Argument, type Command } from 'commander';
import { addExamples } from './examples.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Adds `walla completion`. */
export function completionCommand(program: Command): void {
  const command = program
    .command('completion')
    .description('print what makes a shell complete walla’s commands and options')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action(async (shell: Shell) => {
      const { buildProgram } = await import('./commands.ts');
      const { completionScript } = await import('./completion-script.ts');
      process.stdout.write(completionScript(await buildProgram(), shell));
    });
  addExamples(command, [
    ['eval "$(walla completion bash)"', 'in ~/.bashrc'],
    ['walla completion zsh > ~/.zfunc/_walla', 'with ~/.zfunc in fpath'],
    ['walla completion fish > ~/.config/fish/completions/walla.fish', 'for fish'],
  ]);
}
