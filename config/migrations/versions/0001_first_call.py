"""The first tables: tenants, bots, knowledge, calendars, conversations."""

from alembic import op

from config.migrations.tenancy import APPEND, app_role, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create table business (
    id uuid not null,
    slug text not null,
    name text not null,
    time_zone text not null,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (slug)
);
create table agent_config (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    system_prompt text not null,
    stt_provider text not null,
    tts_provider text not null,
    llm_provider text not null,
    llm_model text not null,
    llm_fallbacks jsonb not null,
    default_language text not null,
    knowledge_base_id uuid,
    first_message_inbound text not null,
    first_message_outbound text,
    eagerness text not null,
    soft_timeout_seconds float not null,
    llm_cascade_timeout_seconds float not null,
    max_conversation_duration_seconds integer not null,
    allow_anonymous boolean not null,
    allowed_origins jsonb not null,
    client_events jsonb not null,
    version integer not null,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name),
    unique (business_id, id)
);
create table api_key (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    key_hash bytea not null,
    revoked_at timestamptz,
    primary key (id),
    unique (key_hash)
);
create table audit (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    subject text not null,
    bot_id uuid,
    conversation_id uuid,
    server text not null,
    tool text not null,
    argument_digest text not null,
    outcome text not null,
    ms float not null,
    primary key (id)
);
create table calendar (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    time_zone text not null,
    hours jsonb not null,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name),
    unique (business_id, id)
);
create table conversation (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    session_id uuid,
    agent_config_id uuid not null,
    room_name text not null,
    room_sid text,
    status text not null,
    direction text not null,
    detected_language text,
    agent_job_id text,
    started_at timestamptz default now() not null,
    ended_at timestamptz,
    updated_at timestamptz default now() not null,
    metadata jsonb default '{}' not null,
    primary key (id),
    unique (business_id, id)
);
create table idempotent_call (
    business_id uuid not null references business (id) on delete cascade,
    key text not null,
    result jsonb,
    created_at timestamptz default now() not null,
    primary key (business_id, key)
);
create table knowledge_base (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    name text not null,
    description text,
    embedding_model text not null,
    chunk_size integer not null,
    chunk_overlap integer not null,
    is_active boolean not null,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, name),
    unique (business_id, id)
);
create table session (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    identifier text not null,
    language_preference text,
    updated_at timestamptz default now() not null,
    primary key (id)
);
create table agent_system_tools (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    agent_config_id uuid not null,
    tool_key text not null,
    enabled boolean not null,
    primary key (id),
    unique (agent_config_id, tool_key),
    foreign key (business_id, agent_config_id)
        references agent_config (business_id, id) on delete cascade
);
create table agent_voice_config (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    agent_config_id uuid not null,
    voice_id text,
    tts_provider text not null,
    tts_model_family text,
    similarity float,
    speed float,
    stability float,
    primary key (id),
    foreign key (business_id, agent_config_id)
        references agent_config (business_id, id) on delete cascade,
    unique (agent_config_id)
);
create table api_usage (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    conversation_id uuid,
    provider text not null,
    operation text not null,
    request_id text not null,
    metadata jsonb default '{}' not null,
    primary key (id),
    unique (business_id, request_id),
    foreign key (business_id, conversation_id)
        references conversation (business_id, id) on delete cascade
);
create table calendar_booking (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    calendar_id uuid not null,
    service_key text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    attendee_name text not null,
    attendee_phone text,
    attendee_email text,
    notes text,
    status text not null,
    cancellation_reason text,
    idempotency_key text,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (business_id, idempotency_key),
    foreign key (business_id, calendar_id) references calendar (business_id, id)
);
create index ix_calendar_booking_calendar_id_starts_at on calendar_booking (calendar_id, starts_at);
create table calendar_service (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    calendar_id uuid not null,
    service_key text not null,
    name text not null,
    minutes integer not null,
    primary key (id),
    unique (calendar_id, service_key),
    foreign key (business_id, calendar_id)
        references calendar (business_id, id) on delete cascade
);
create table document (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    knowledge_base_id uuid not null,
    source_type text not null,
    name text not null,
    file_path text,
    mime_type text not null,
    file_size integer not null,
    content_hash text not null,
    status text not null,
    last_synced_at timestamptz,
    updated_at timestamptz default now() not null,
    primary key (id),
    unique (knowledge_base_id, name),
    unique (business_id, id),
    foreign key (business_id, knowledge_base_id)
        references knowledge_base (business_id, id) on delete cascade
);
create table mcp_connection (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    agent_config_id uuid not null,
    server text not null,
    enabled boolean not null,
    tools jsonb not null,
    policy jsonb not null,
    integration text,
    primary key (id),
    unique (agent_config_id, server),
    foreign key (business_id, agent_config_id)
        references agent_config (business_id, id) on delete cascade
);
create table user_turn (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    conversation_id uuid not null,
    order_index integer not null,
    transcribed_text text not null,
    detected_language text,
    stt_provider text not null,
    stt_confidence float,
    primary key (id),
    unique (conversation_id, order_index),
    unique (business_id, id),
    foreign key (business_id, conversation_id)
        references conversation (business_id, id) on delete cascade
);
create table agent_response (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    conversation_id uuid not null,
    user_turn_id uuid,
    order_index integer not null,
    response_text text not null,
    llm_provider text,
    tts_provider text,
    voice_id text,
    language_used text,
    interrupted boolean not null,
    primary key (id),
    unique (conversation_id, order_index),
    foreign key (business_id, conversation_id)
        references conversation (business_id, id) on delete cascade,
    foreign key (business_id, user_turn_id) references user_turn (business_id, id)
);
create table chunk (
    id uuid not null,
    business_id uuid not null references business (id) on delete cascade,
    created_at timestamptz default now() not null,
    document_id uuid not null,
    knowledge_base_id uuid not null,
    chunk_index integer not null,
    text text not null,
    char_count integer not null,
    embedding vector not null,
    primary key (id),
    unique (document_id, chunk_index),
    foreign key (business_id, document_id)
        references document (business_id, id) on delete cascade
);
create index ix_chunk_knowledge_base_id on chunk (knowledge_base_id);
"""

_LOOKUPS = """
create function find_bot(of_business text, bot_name text)
returns table (business_id uuid, bot_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
    select a.business_id, a.id from agent_config a join business b on b.id = a.business_id
    where b.slug = of_business and a.name = bot_name
$$;

create function find_business(of_slug text) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
    select id from business where slug = of_slug
$$;

create function find_api_key(hash bytea) returns table (business_id uuid, api_key_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
    select k.business_id, k.id from api_key k where k.key_hash = hash and k.revoked_at is null
$$;
"""

_OWNED = (
    "agent_config",
    "api_key",
    "calendar",
    "conversation",
    "idempotent_call",
    "knowledge_base",
    "session",
    "agent_system_tools",
    "agent_voice_config",
    "api_usage",
    "calendar_booking",
    "calendar_service",
    "document",
    "mcp_connection",
    "user_turn",
    "agent_response",
    "chunk",
)


def upgrade() -> None:
    """Create the tables, and show each tenant only its own rows."""
    op.execute("create extension if not exists vector")
    op.execute(_TABLES)
    op.execute(_LOOKUPS)
    protect("business", column="id")
    for table in _OWNED:
        protect(table)
    protect("audit", rights=APPEND)
    for function in ("find_bot(text, text)", "find_business(text)", "find_api_key(bytea)"):
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {app_role()}")


def downgrade() -> None:
    """Drop everything."""
    op.execute("drop function find_bot, find_business, find_api_key")
    for table in (*reversed(_OWNED), "audit", "business"):
        op.execute(f"drop table {table} cascade")
