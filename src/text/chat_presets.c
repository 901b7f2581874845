/* The chat templates that go by name: what the models of each family were trained on. What the assistant says, with what ends its
 * turn, stands in {% generation %}: training takes its loss there. */
#include "text/chat_template.h"

#include <string.h>

static const weft_chat_preset presets[] = {
    {"chatml",
     "{% for m in messages %}\n"
     "{% if m.role == 'assistant' %}\n"
     "{{ '<|im_start|>assistant\\n' }}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}\n"
     "{%- else %}\n"
     "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}\n"
     "{%- endif %}\n"
     "{% endfor %}\n"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
     "", "<|im_end|>"},
    {"llama2",
     "{% set system = '' %}{% set turns = messages %}\n"
     "{% if messages and messages[0].role == 'system' %}\n"
     "{% set system = '<<SYS>>\\n' + messages[0].content | trim + '\\n<</SYS>>\\n\\n' %}{% set turns = messages[1:] %}\n"
     "{% endif %}\n"
     "{% for m in turns %}\n"
     "{% if (m.role == 'user') != (loop.index0 is even) or m.role not in ['user', 'assistant'] %}\n"
     "{{ raise_exception('roles must alternate: user, assistant, user, assistant, …') }}\n"
     "{% elif m.role == 'user' %}\n"
     "{{ bos_token + '[INST] ' + (system if loop.first else '') + m.content | trim + ' [/INST]' }}\n"
     "{%- else %}\n"
     "{% generation %}{{ ' ' + m.content | trim + ' ' + eos_token }}{% endgeneration %}\n"
     "{% endif %}\n"
     "{% endfor %}",
     "<s>", "</s>"},
    {"llama3",
     "{{ bos_token }}\n"
     "{%- for m in messages %}\n"
     "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' }}\n"
     "{%- if m.role == 'assistant' %}{% generation %}{{ m.content | trim + '<|eot_id|>' }}{% endgeneration %}\n"
     "{% else %}{{ m.content | trim + '<|eot_id|>' }}{% endif %}\n"
     "{% endfor %}\n"
     "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
     "<|begin_of_text|>", "<|eot_id|>"},
    {"mistral",
     "{% set system = '' %}{% set turns = messages %}\n"
     "{% if messages and messages[0].role == 'system' %}\n"
     "{% set system = messages[0].content + '\\n\\n' %}{% set turns = messages[1:] %}\n"
     "{% endif %}\n"
     "{{ bos_token }}\n"
     "{%- for m in turns %}\n"
     "{% if (m.role == 'user') != (loop.index0 is even) or m.role not in ['user', 'assistant'] %}\n"
     "{{ raise_exception('roles must alternate: user, assistant, user, assistant, …') }}\n"
     "{% elif m.role == 'user' %}\n"
     "{{ '[INST] ' + (system if loop.first else '') + m.content + ' [/INST]' }}\n"
     "{%- else %}\n"
     "{% generation %}{{ m.content + eos_token }}{% endgeneration %}\n"
     "{% endif %}\n"
     "{% endfor %}",
     "<s>", "</s>"},
    {"gemma",
     "{{ bos_token }}\n"
     "{%- for m in messages %}\n"
     "{% if m.role == 'system' %}{{ raise_exception('a system message has no place in this template') }}{% endif %}\n"
     "{% if (m.role == 'user') != (loop.index0 is even) %}\n"
     "{{ raise_exception('roles must alternate: user, assistant, user, assistant, …') }}\n"
     "{% endif %}\n"
     "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}\n"
     "{%- if m.role == 'assistant' %}{% generation %}{{ m.content | trim + '<end_of_turn>' }}{% endgeneration %}\n"
     "{% else %}{{ m.content | trim + '<end_of_turn>' }}{% endif %}{{ '\\n' }}\n"
     "{%- endfor %}\n"
     "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
     "<bos>", "<end_of_turn>"},
    {"zephyr",
     "{% for m in messages %}\n"
     "{{ '<|' + m.role + '|>\\n' }}\n"
     "{%- if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}\n"
     "{% else %}{{ m.content + eos_token }}{% endif %}{{ '\\n' }}\n"
     "{%- endfor %}\n"
     "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
     "<s>", "</s>"},
    {"vicuna",
     "{% for m in messages %}\n"
     "{% if m.role == 'system' %}{{ m.content + ' ' }}\n"
     "{%- elif m.role == 'user' %}{{ 'USER: ' + m.content }}\n"
     "{%- elif m.role == 'assistant' %}{{ ' ASSISTANT: ' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}\n"
     "{% else %}{{ raise_exception('roles are system, user and assistant') }}{% endif %}\n"
     "{% endfor %}\n"
     "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}",
     "<s>", "</s>"},
    {"alpaca",
     "{% set turns = messages %}\n"
     "{% if messages and messages[0].role == 'system' %}\n"
     "{% set turns = messages[1:] %}{{ messages[0].content | trim + '\\n\\n' }}\n"
     "{%- else %}\n"
     "{{ 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\\n\\n' }}\n"
     "{%- endif %}\n"
     "{% for m in turns %}\n"
     "{% if m.role == 'user' %}{{ '### Instruction:\\n' + m.content | trim + '\\n\\n' }}\n"
     "{%- elif m.role == 'assistant' %}{{ '### Response:\\n' }}\n"
     "{%- generation %}{{ m.content | trim + eos_token }}{% endgeneration %}{{ '\\n\\n' if not loop.last }}\n"
     "{%- else %}{{ raise_exception('roles are system, user and assistant') }}{% endif %}\n"
     "{% endfor %}\n"
     "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}",
     "<s>", "</s>"},
};

const weft_chat_preset *weft_chat_preset_find(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

const char *weft_chat_template_name(int i)
{
    return i >= 0 && (size_t)i < sizeof presets / sizeof presets[0] ? presets[i].name : NULL;
}
