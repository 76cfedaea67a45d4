#!/bin/sh
# Stores a declaration, shows what the bot's model will see, and prints an API key.
#
#   sh examples/apply_a_bot.sh [FILE [BUSINESS [BOT]]]
#
# The CLI writes to the database itself: DATABASE_URL and REDIS_URL must name the deployment's.
set -eu

file=${1:-"$(dirname "$0")/own_bot.yaml"}
business=${2:-fairweather}
bot=${3:-desk}

antiphon apply --dry-run "$file"
antiphon apply "$file"
antiphon tools --business "$business" --bot "$bot"

echo "Keep this key, it is not shown again. The other examples read it from ANTIPHON_KEY:"
antiphon keys create --business "$business" --name examples
